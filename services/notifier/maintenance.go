package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the image has no time zones

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
)

// Window is a time that comes again, in which the alerts about some workloads are
// silenced.
type Window struct {
	Match    events.Match `yaml:"match"`
	Days     []string     `yaml:"days"`     // mon, tue, wed, thu, fri, sat, sun; empty: every day
	From     string       `yaml:"from"`     // 22:00
	To       string       `yaml:"to"`       // 06:00; not after From: of the next day
	Timezone string       `yaml:"timezone"` // such as Europe/Berlin; UTC
	Comment  string       `yaml:"comment"`
}

// configuration is who silences in a window.
const configuration = "configuration"

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// at is the window around now, where one is.
func (w Window) at(now time.Time) (from, to time.Time, ok bool) {
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil {
		return from, to, false // Validate has seen to it
	}
	begin, errBegin := time.Parse("15:04", w.From)
	end, errEnd := time.Parse("15:04", w.To)
	if errBegin != nil || errEnd != nil {
		return from, to, false
	}
	for _, ago := range []int{0, 1} { // one that began yesterday may go on
		year, month, day := now.In(zone).AddDate(0, 0, -ago).Date()
		from = time.Date(year, month, day, begin.Hour(), begin.Minute(), 0, 0, zone)
		to = time.Date(year, month, day, end.Hour(), end.Minute(), 0, 0, zone)
		if !to.After(from) {
			to = to.AddDate(0, 0, 1)
		}
		named := len(w.Days) == 0 || slices.Contains(w.Days, weekdays[from.Weekday()])
		if named && !now.Before(from) && now.Before(to) {
			return from, to, true
		}
	}
	return time.Time{}, time.Time{}, false
}

// silence is that of the window that begins at from. Its id is the same on every replica.
func (w Window) silence(from, to time.Time) (events.Silence, error) {
	match, err := json.Marshal(w.Match)
	return events.Silence{
		ID:    events.DeriveID("maintenance", string(match), w.Timezone, strconv.FormatInt(from.Unix(), 10), strconv.FormatInt(to.Unix(), 10)),
		Match: w.Match, From: from.UTC(), Until: to.UTC(), By: configuration, Comment: w.Comment,
	}, err
}

func (v *validation) window(at string, w Window) {
	v.match(at+".match", w.Match)
	known := map[string]bool{}
	for _, day := range weekdays {
		known[day] = true
	}
	for i, day := range w.Days {
		if !known[day] {
			v.add(fmt.Sprintf("%s.days[%d]", at, i), "%q is not a day; write mon, tue, wed, thu, fri, sat or sun%s", day, config.Suggest(day, known))
		}
	}
	for key, text := range map[string]string{"from": w.From, "to": w.To} {
		if _, err := time.Parse("15:04", text); err != nil {
			v.add(at+"."+key, `%q is not a time of day; write it as "22:00"`, text)
		}
	}
	if _, err := time.LoadLocation(w.Timezone); err != nil || strings.EqualFold(w.Timezone, "local") {
		v.add(at+".timezone", "%q is not known; write a name such as Europe/Berlin", w.Timezone)
	}
}

// keepMaintenance makes a silence of each window when it begins, and removes it when it
// has ended. One that a person ends before stays ended as long as this replica leads.
func (d *dispatcher) keepMaintenance(ctx context.Context) error {
	if len(d.config.Maintenance) == 0 {
		return nil
	}
	made := map[string]time.Time{} // by id: its end
	for {
		now := d.clock.Now()
		for _, w := range d.config.Maintenance {
			from, to, ok := w.at(now)
			if !ok {
				continue
			}
			s, err := w.silence(from, to)
			if _, done := made[s.ID]; done && err == nil {
				continue
			}
			if err == nil {
				err = d.maintain(ctx, s)
			}
			if err != nil {
				d.log.Warn("a maintenance window is not silenced, will retry", "err", err)
				continue
			}
			made[s.ID] = to
		}
		for id, end := range made {
			if now.After(end) && d.bus.Bucket(bus.BucketSilences).Delete(ctx, id) == nil {
				delete(made, id)
			}
		}
		select {
		case <-d.clock.After(10 * time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// maintain stores the silence of a window, unless another replica did.
func (d *dispatcher) maintain(ctx context.Context, s events.Silence) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = d.bus.Bucket(bus.BucketSilences).Create(ctx, s.ID, data)
	if errors.Is(err, bus.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	return announce(ctx, d.bus, events.TypeAlertSilenced, s)
}
