package hooks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/userfile"
)

func (a *action) writeFile(do config.Write) {
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

// writeFile replaces the file that path leads to. A file that exists and that cannot
// be replaced (it is a mount of its own, its directory is read-only or another
// user's) is written in place; note says so.
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

func (a *action) removeFile(do config.Remove) {
	info, err := os.Lstat(do.Path)
	if err == nil && info.Mode()&fs.ModeDevice != 0 {
		a.fail(fmt.Sprintf("remove %s: a device (%v); podhook removes none", do.Path, info.Mode()))
		return
	}
	if err == nil {
		err = explainBusy(os.Remove(do.Path))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.fail(err.Error())
		return
	}
	a.succeed()
	if err != nil {
		a.say(do.Path + " was not there")
	}
}

// removeMarker removes the file that the marker's path leads to, where writeFile
// will write it.
func removeMarker(path string) error {
	at, err := userfile.Target(path)
	if err == nil {
		err = explainBusy(os.Remove(at))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// explainBusy says what the kernel's EBUSY means for a path (unlink(2)).
func explainBusy(err error) error {
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: it is a mount, which cannot be removed", err)
	}
	return err
}
