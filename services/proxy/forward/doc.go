// Package forward passes one HTTP request to an upstream and the answer back,
// byte for byte and at once.
//
// It stands on [http.Transport] and [http.Server] directly: an
// httputil.ReverseProxy clones every header, allocates a copy buffer a request
// and reads a request body again after its end (golang/go#40747).
package forward
