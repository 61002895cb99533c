package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
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
				content, _ := config.ReadFile(v.Field(i).String(), 1<<20) // unreadable is a value too
				h.Write(content)
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

// plainValue is v without the methods of its type: a secret that prints as
// itself.
func plainValue(v reflect.Value) any {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}
