package events

// TypeLoaded says that a proxy loaded a credential: when it started, and each
// time the value changed. It says nothing about whether the upstream takes it.
//
// Data: Observation with Credential.
const TypeLoaded = "auth.loaded"
