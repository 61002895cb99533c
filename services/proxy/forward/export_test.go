package forward

// NewEndpointReader is tested without a stream around it.
var NewEndpointReader = newEndpointReader
