package events

// TypeMissing says that no usable credential is there: the file is gone, empty
// or malformed, the helper or the token endpoint failed.
//
// Data: Observation with Credential (its source, no fingerprint), Problem and
// Detail.
const TypeMissing = "auth.missing"
