package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/authwatch/authwatch/services/internal/config"
)

// keys decodes the signing secrets of a webhook, one or several separated by
// white space: during a rotation the receiver accepts the signature of either.
// Their form is that of the Standard Webhooks specification: base64 of 24 to 64
// bytes, with or without the prefix "whsec_".
func keys(secrets config.Secret) ([][]byte, error) {
	var all [][]byte
	for s := range strings.FieldsSeq(secrets.Reveal()) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil {
			return nil, errors.New(`is not base64; make one with "openssl rand -base64 32"`)
		}
		if len(key) < 24 || len(key) > 64 {
			return nil, fmt.Errorf(`has %d bytes, not 24 to 64; make one with "openssl rand -base64 32"`, len(key))
		}
		all = append(all, key)
	}
	return all, nil
}

// sign is the webhook-signature header of Standard Webhooks 1.0.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		h.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
