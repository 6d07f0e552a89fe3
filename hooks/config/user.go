package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// User is the user that a program runs as, without supplementary groups.
type User struct {
	// Name is a name in /etc/passwd, or "" for a user that is given by number.
	Name string
	// UID and GID are the numbers. GID is -1 if none is given.
	UID, GID int
}

const (
	userRule = "a number such as 1000, two such as 1000:1000, or a name of /etc/passwd"
	// maxID is the greatest valid number: (uid_t)-1 means "unchanged" in setresuid(2).
	maxID = 1<<32 - 2
)

// String returns the user as it was given.
func (u User) String() string {
	switch {
	case u.Name != "":
		return u.Name
	case u.GID < 0:
		return strconv.Itoa(u.UID)
	}
	return strconv.Itoa(u.UID) + ":" + strconv.Itoa(u.GID)
}

// Account is a User on this machine.
type Account struct {
	UID, GID uint32
	// Name is "" if /etc/passwd does not have the user. Home is then /, as container
	// runtimes set it.
	Name, Home string
}

// Account looks up the user in /etc/passwd. A number without a group gets its group from
// there, or else the group with the same number: never root's by default.
func (u User) Account() (Account, error) {
	if u.Name != "" {
		found, err := user.Lookup(u.Name)
		if err != nil {
			return Account{}, fmt.Errorf("user %q is not in /etc/passwd; a number needs no entry there", u.Name)
		}
		return u.account(found)
	}
	account := Account{UID: uint32(u.UID), GID: uint32(u.UID), Home: "/"}
	if found, err := user.LookupId(strconv.Itoa(u.UID)); err == nil {
		if account, err = u.account(found); err != nil {
			return Account{}, err
		}
	}
	if u.GID >= 0 {
		account.GID = uint32(u.GID)
	}
	return account, nil
}

func (u User) account(found *user.User) (Account, error) {
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return Account{}, fmt.Errorf("user %s: %w", u, err)
	}
	return Account{UID: uint32(uid), GID: uint32(gid), Name: found.Username, Home: cmp.Or(found.HomeDir, "/")}, nil
}

// Environ returns HOME, USER and LOGNAME as login(1) sets them. A user without a name gets
// only HOME.
func (a Account) Environ() []string {
	env := []string{"HOME=" + a.Home}
	if a.Name != "" {
		env = append(env, "USER="+a.Name, "LOGNAME="+a.Name)
	}
	return env
}

// problem returns why this process cannot run a program as the user, or "".
func (u User) problem() string {
	if os.Geteuid() != 0 {
		return fmt.Sprintf("only root can run a step as another user; podhook runs as user %d", os.Geteuid())
	}
	if _, err := u.Account(); err != nil {
		return err.Error()
	}
	return ""
}

func (d *decoder) user(v value) *User {
	text, ok := d.text(v, userRule)
	if !ok {
		return nil
	}
	u, err := parseUser(text)
	if err != nil {
		d.refuse(v, userRule)
		return nil
	}
	return u
}

func parseUser(text string) (*User, error) {
	first, group, withGroup := strings.Cut(text, ":")
	uid, err := parseID(first)
	if err != nil {
		if withGroup || !isLogin(text) {
			return nil, err
		}
		return &User{Name: text, GID: -1}, nil
	}
	u := &User{UID: uid, GID: -1}
	if withGroup {
		if u.GID, err = parseID(group); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func parseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxID {
		return 0, fmt.Errorf("%q is not a user's or group's number", text)
	}
	return int(n), nil
}

// isLogin reports whether useradd(8) accepts a name, in either case.
func isLogin(name string) bool {
	return name != "" && len(name) <= 32 && cleanName(name) == name && (name[0] < '0' || name[0] > '9')
}
