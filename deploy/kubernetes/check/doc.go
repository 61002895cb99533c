// Package check says what is wrong with manifests before a cluster does. What
// Kubernetes itself has an opinion on is asked of its own code: the API server's
// decoder, defaults, validation and Pod Security Standard. The rest is what no
// server looks at: that names lead to something, and what every container here
// has to have.
package check
