package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/authwatch/authwatch/events"
)

// receiver is a webhook. It passes each alert that arrives to its function.
type receiver func(alert events.Alert, at time.Time)

func (f receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var envelope struct {
		Data events.Alert `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Data.Kind == "" {
		http.Error(w, "not an alert", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	f(envelope.Data, at)
}
