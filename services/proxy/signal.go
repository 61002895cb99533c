package proxy

// signal wakes up one goroutine; raised twice before it looks, it does so once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}
