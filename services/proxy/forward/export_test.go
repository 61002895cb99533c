package forward

// NewEndpointReader is tested without a stream around it.
var NewEndpointReader = newEndpointReader

// KeepAliveLimit is tested without waiting.
var KeepAliveLimit = keepAliveLimit

// ClosesIdle reports whether u's server has closed an idle connection.
func ClosesIdle(u *Upstream) bool { return u.closesIdle.Load() }
