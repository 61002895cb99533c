// The authwatch command runs the three services in one process over an embedded
// broker, shows what they know, and demonstrates the whole.
package main

import (
	"github.com/authwatch/authwatch/services/internal/process"
)

func main() { process.Main(newRoot().ExecuteContext) }
