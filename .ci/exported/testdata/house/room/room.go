// Package room has one of each that nobody names, and one of each that somebody does.
package room

const Constant = 1

func Function() {}

func WithinTests() {}

type Type struct{}

type Used struct {
	Tagged string `json:"tagged"`
	Group
}

type Group struct{ One, Two int }

type Lonely struct{ Field int }

func (Used) Method() {}

func (Used) String() string { return "" } // fmt asks for it

func Makes() Result { return Result{} }

type Result struct{}

const (
	First = iota // a group of which one is used
	Second
)

func Tagged() {}
