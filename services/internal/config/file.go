package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// TooLargeError says how many bytes a file may hold that holds more.
type TooLargeError int64

func (e TooLargeError) Error() string { return fmt.Sprintf("larger than %d bytes", int64(e)) }

// ReadFile reads a file of at most so many bytes; its errors are of type
// [os.PathError]. Anything but a regular file is
// an error at once: opening a pipe would wait for its writer, and a device may
// never end.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	case !info.Mode().IsRegular():
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = &os.PathError{Op: "read", Path: path, Err: TooLargeError(most)}
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}
