package events

// TypeExpiring says that the credential will expire: 7 days, 1 day, 1 hour and 5
// minutes before, where the expiry is known.
//
// Data: Observation with Credential and its ExpiresAt.
const TypeExpiring = "auth.expiring"
