package events

import (
	"embed"
	"io/fs"
	"slices"
)

//go:embed schemas/*.json
var schemas embed.FS

// Schemas holds the JSON Schemas (2020-12) of the contract: one file for each
// type, named <type>.v1.json, and one for each shape of data that they share.
// Their $id is the dataschema attribute of the events.
func Schemas() fs.FS {
	sub, err := fs.Sub(schemas, "schemas")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Schema is the JSON Schema of the data of a type's events, or nil for a type that
// is not part of the contract. It refers to the shared ones: see Schemas.
func Schema(typ string) []byte {
	if !slices.Contains(Types(), typ) {
		return nil
	}
	body, err := schemas.ReadFile("schemas/" + typ + ".v1.json")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return body
}

// Types are all event types of the contract, in the order of its documentation.
func Types() []string {
	return []string{
		TypeUnauthorized, TypeAuthorized, TypeForbidden, TypeLoaded, TypeMissing, TypeExpiring,
		TypeRetired, TypeAcknowledged,
		TypeStatusChanged, TypeStatusUpdated,
		TypeAlertDelivered, TypeAlertFailed, TypeAlertSilenced, TypeAlertUnsilenced,
		TypeAlertOpened, TypeAlertResolved, TypeAlertReminder, TypeAlertDigest, TypeAlertExpiring, TypeAlertTest,
	}
}
