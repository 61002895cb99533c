package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/status/api"
)

// client asks the status API of a running authwatch.
type client struct {
	base string
	http *http.Client
}

func newClient(base string) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, process.Usagef("--api %s: not an address; write it as http://127.0.0.1:8081", base)
	}
	return &client{base: strings.TrimRight(base, "/"), http: &http.Client{Transport: http.DefaultTransport}}, nil
}

// The answers of the API.
type (
	workloadList   struct{ Workloads []api.Workload }
	transitionList struct{ Transitions []events.Record }
	receiptList    struct{ Receipts []api.Receipt }
)

// fetch asks for /api/v1/ and the segments. It returns the answer as it came
// too: what is printed as JSON keeps fields that this program does not know.
func fetch[T any](ctx context.Context, c *client, segments ...string) (body T, raw json.RawMessage, err error) {
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := c.ask(ctx, "/api/v1/"+strings.Join(segments, "/"), nil)
	if err != nil {
		return body, nil, err
	}
	defer resp.Body.Close()
	if raw, err = io.ReadAll(resp.Body); err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		return body, nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return body, raw, nil
}

func (c *client) ask(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	resp, err := c.http.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, fmt.Errorf("ask %s: %w; is authwatch running, and is --api its status.listen?", c.base, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
		return nil, fmt.Errorf("%s answered %s; is --api the status API of authwatch?", c.base, resp.Status)
	}
	return nil, errors.New(problem.Detail)
}

// frame is one event of the feed.
type frame struct {
	id   string // to resume after
	data []byte // the CloudEvent
}

// feed reads the events after the one named, or new ones only, until ctx or the
// connection ends. It calls opened once the server has answered.
func (c *client) feed(ctx context.Context, after string, opened func(), each func(frame)) error {
	header := http.Header{}
	if after != "" {
		header.Set("Last-Event-ID", after)
	}
	resp, err := c.ask(ctx, "/api/v1/events", header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	opened()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	var f frame
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "id":
			f.id = value
		case field == "data":
			f.data = append(f.data, value...)
		case lines.Text() == "" && len(f.data) > 0:
			each(f)
			f.data = nil
		}
	}
	return lines.Err()
}
