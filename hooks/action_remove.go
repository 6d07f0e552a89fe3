package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
)

func remove(ctx context.Context, a *action, do config.Remove) {
	done, ok := a.useDisk(ctx)
	if !ok {
		return
	}
	defer done()
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

// explainBusy adds to EBUSY what it means for a path, see unlink(2).
func explainBusy(err error) error {
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: it is a mount, which cannot be removed", err)
	}
	return err
}
