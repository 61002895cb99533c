// Package verdict decides what an upstream's answer says about the credential
// that was attached to the request: accepted, rejected, forbidden, or nothing.
//
// It is pure: the caller sees to it that the request carried our credential, and
// that the credential is still the current one.
package verdict
