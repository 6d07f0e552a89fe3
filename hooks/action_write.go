package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/userfile"
)

func write(ctx context.Context, a *action, do config.Write) {
	done, ok := a.useDisk(ctx)
	if !ok {
		return
	}
	defer done()
	note, err := writeFile(do.File, []byte(do.Content), do.Mode)
	if err != nil {
		a.fail(err.Error())
		return
	}
	a.succeed()
	if note != "" {
		a.say(note)
	}
}

// writeFile replaces the file that path leads to. It writes in place, and says so in
// note, if the file exists and cannot be replaced: it is a mount, or its directory is
// read-only or belongs to another user.
func writeFile(path string, data []byte, mode fs.FileMode) (note string, err error) {
	at, err := userfile.Target(path)
	if err != nil {
		return "", err
	}
	err = state.WriteFileAtomic(at, data, mode)
	var why unix.Errno
	if !errors.As(err, &why) {
		return "", err
	}
	switch why {
	case unix.EBUSY, unix.EROFS, unix.EACCES, unix.EPERM:
	default:
		return "", err
	}
	switch inPlace := userfile.Overwrite(at, data, mode); {
	case errors.Is(inPlace, fs.ErrNotExist):
		return "", err
	case inPlace != nil:
		return "", inPlace
	}
	return fmt.Sprintf("%s cannot be replaced (%v), so it was written in place", at, why), nil
}
