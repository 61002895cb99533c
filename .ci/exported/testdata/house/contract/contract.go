// Package contract is for others.
package contract

func ForOthers() {}
