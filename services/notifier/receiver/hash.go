package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// Hash changes when c does, also when a file that it names has another content.
// It gives no secret away.
func (c *Config) Hash() string {
	h := sha256.New()
	digest(h, reflect.ValueOf(*c))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func digest(h hash.Hash, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			digest(h, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			key := v.Type().Field(i).Tag.Get("yaml")
			h.Write([]byte(key + "\x00"))
			digest(h, v.Field(i))
			if strings.HasSuffix(key, "_file") && v.Field(i).String() != "" {
				digestFile(h, v.Field(i).String())
			}
		}
	case reflect.Map:
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int {
			return strings.Compare(a.String(), b.String())
		}) {
			h.Write([]byte(key.String() + "\x00"))
			digest(h, v.MapIndex(key))
			if strings.HasSuffix(key.String(), fileSuffix) {
				digestFile(h, v.MapIndex(key).String())
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	default:
		h.Write([]byte(fmt.Sprint(plainValue(v)) + "\x00"))
	}
}

// digestFile takes in what a file holds; that it cannot be read is a value too.
func digestFile(h hash.Hash, file string) {
	content, _ := config.ReadFile(file, 1<<20)
	h.Write(content)
}

// plainValue is v without the methods of its type: a secret that prints as
// itself.
func plainValue(v reflect.Value) any {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}
