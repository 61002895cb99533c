package terminal_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
)

func TestAPrinterToAFileUsesNoColours(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	p := terminal.New(f)
	p.Line("%s", p.Red("dead"))
	require.NoError(t, f.Close())
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "dead\n", string(text))
}

func TestHostileTextCannotDriveTheTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a[2Jb c", terminal.Clean("a\x1b[2J\u202eb\nc\x07"))
}

func TestWrappedLinesFitAndLongWordsStayWhole(t *testing.T) {
	t.Parallel()
	path := "/a/very/long/path/that/nobody/wants/to/see/broken/over/two/lines/because/it/is/copied"
	lines := terminal.Wrap("put a new token into "+path+" and wait for a moment, it is picked up at once without a restart", 10)
	require.Equal(t, "put a new token into", lines[0])
	require.Equal(t, path, lines[1])
	for _, line := range lines[2:] {
		require.LessOrEqual(t, len(line), terminal.Width-10)
	}
}

func TestColumnsAreAsWideAsTheirWidestCell(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	terminal.New(&out).Table([][]terminal.Cell{
		{{Text: "NAME"}, {Text: "STATUS"}},
		{{Text: "größer"}, {Text: "running"}, {Text: ""}},
	})
	require.Equal(t, "NAME    STATUS\ngrößer  running\n", out.String())
}
