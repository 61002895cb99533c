package notifier

import "context"

// leader works while it holds the lease. Its context ends as soon as the lease is
// lost. When draining is closed it finishes what it is doing.
type leader func(ctx context.Context, draining <-chan struct{}) error

// until returns a context that ends with ctx, and already when draining is closed.
func until(ctx context.Context, draining <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func closed(draining <-chan struct{}) bool {
	select {
	case <-draining:
		return true
	default:
		return false
	}
}
