package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/notifier"
	"github.com/authwatch/authwatch/services/standalone"
)

func silenceCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "silence",
		GroupID: "act",
		Short:   "Hold back alerts for a while: add, list, expire",
		Args:    cobra.ArbitraryArgs,
		RunE:    unknownCommand,
	}
	c.AddCommand(silenceAdd(o), silenceList(o), silenceExpire(o))
	return c
}

func silenceAdd(o *options) *cobra.Command {
	var s events.Silence
	var from string
	length := config.Duration(2 * time.Hour)
	c := &cobra.Command{
		Use:   "add -c FILE [flags]",
		Short: "Hold back openings and reminders of some workloads",
		Example: `  authwatch silence add -c FILE --workload 'staging-*' --for 8h --comment "tokens are rotated"
  authwatch silence add -c FILE --label team=search --for 1d`,
		Args: takes(),
	}
	f := c.Flags()
	f.StringVar(&s.Match.Workload, "workload", "", "a name or a `GLOB`")
	f.StringSliceVar(&s.Match.Status, "status", nil, "unauthenticated or missing")
	f.StringSliceVar(&s.Match.Reason, "reason", nil, "such as invalid_token")
	f.StringToStringVar(&s.Match.Labels, "label", nil, "`NAME=GLOB`")
	f.TextVar(&length, "for", length, "how long it lasts")
	f.StringVar(&from, "from", "", "when it begins: `TIME` as 2006-01-02T15:04:05Z, 2006-01-02 15:04 or 15:04 (local); without it, now")
	f.StringVar(&s.Comment, "comment", "", "why, for other people")
	f.StringVar(&s.By, "by", currentUser(), "who adds it")
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, _ []string) error {
		if s.Match.Workload == "" && len(s.Match.Status)+len(s.Match.Reason)+len(s.Match.Labels) == 0 {
			return process.Usagef("silence add: no workloads given; write --workload NAME, or --workload '*' for all")
		}
		now := time.Now()
		var err error
		if s.From, err = timeOf(from, now); err != nil {
			return process.Usagef("silence add: --from %w", err)
		}
		s.Until = s.From.Add(length.Std())
		stored, err := notifier.SilenceAdd(ctx, b, s)
		if err != nil {
			return err
		}
		p := printer(c)
		if stored.From.After(now) {
			p.Line("silence %s begins at %s and lasts until %s", stored.ID, localTime(stored.From), localTime(stored.Until))
		} else {
			p.Line("silence %s lasts until %s", stored.ID, localTime(stored.Until))
		}
		return warnOfNobody(ctx, b, p, stored.Match)
	})
	return c
}

// timeOf reads a time as people write it; a time of day that has passed is tomorrow's.
func timeOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if at, err := time.ParseInLocation("2006-01-02 15:04", text, now.Location()); err == nil {
		return at, nil
	}
	clock, err := time.ParseInLocation("15:04", text, now.Location())
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time; write 2006-01-02T15:04:05Z, 2006-01-02 15:04 or 15:04", text)
	}
	year, month, day := now.Date()
	at := time.Date(year, month, day, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	if at.Before(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at, nil
}

// warnOfNobody says so where a silence names a workload that nobody has: the name may
// be wrong.
func warnOfNobody(ctx context.Context, b *bus.Bus, p *terminal.Printer, m events.Match) error {
	if name := events.ValidWorkload(m.Workload) == nil; !name { // a pattern, or none
		return nil
	}
	_, err := b.Last(ctx, bus.StreamStatus, "status.*."+m.Workload)
	if errors.Is(err, bus.ErrNotFound) {
		p.Line("No workload is called %q now; the silence holds for one that comes.", m.Workload)
		return nil
	}
	if err != nil {
		return fmt.Errorf("the silence holds; whether there is a workload %s is not known: %w", m.Workload, err)
	}
	return nil
}

func silenceList(o *options) *cobra.Command {
	c := &cobra.Command{Use: "list -c FILE", Short: "Silences that are active or will be", Args: takes()}
	o.addOutput(c)
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, _ []string) error {
		all, err := notifier.SilenceList(ctx, b)
		if err != nil {
			return err
		}
		p := printer(c)
		switch {
		case o.json():
			return printValue(p, map[string]any{"silences": orEmpty(all)})
		case len(all) == 0:
			p.Line("No silences.")
			return nil
		}
		rows := [][]terminal.Cell{{
			{Text: "ID", Style: p.Dim},
			{Text: "FROM", Style: p.Dim},
			{Text: "UNTIL", Style: p.Dim},
			{Text: "MATCHES", Style: p.Dim},
			{Text: "BY", Style: p.Dim},
			{Text: "COMMENT", Style: p.Dim},
		}}
		for _, s := range all {
			rows = append(rows, []terminal.Cell{
				{Text: s.ID},
				{Text: localTime(s.From)},
				{Text: localTime(s.Until)},
				{Text: terminal.Clean(matchText(s.Match))},
				{Text: terminal.Clean(s.By)},
				{Text: terminal.Clean(s.Comment)},
			})
		}
		p.Table(rows)
		return nil
	})
	return c
}

func silenceExpire(o *options) *cobra.Command {
	var by string
	c := &cobra.Command{Use: "expire ID -c FILE", Short: "End a silence now", Args: takes("ID")}
	c.Flags().StringVar(&by, "by", currentUser(), "who ends it")
	o.onBus(c, func(ctx context.Context, _ *standalone.Config, b *bus.Bus, args []string) error {
		if err := notifier.SilenceExpire(ctx, b, args[0], by); err != nil {
			return err
		}
		printer(c).Line("silence %s has ended", args[0])
		return nil
	})
	return c
}

// matchText is a matcher as it would be written, without quotes.
func matchText(m events.Match) string {
	raw, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "").Replace(string(raw))
}

func currentUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
