package events

// TypeForbidden says that the credential is alive but lacks scope (RFC 6750
// section 3.1, insufficient_scope). It changes no status.
//
// Data: Observation with Credential, Request, Response and Scopes.
const TypeForbidden = "auth.forbidden"
