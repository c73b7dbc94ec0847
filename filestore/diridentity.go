package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/stoa-portal/stoa"
)

// Identity implements Driver.
func (d *Dir) Identity(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	in, err := d.enter("read")
	if err != nil {
		return "", err
	}
	defer in.Close()
	return d.identity(in)
}

// identity reads the identity through an open root.
func (d *Dir) identity(in *os.Root) (string, error) {
	b, err := readSmall(in, identityName, identityBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &stoa.Error{
			Kind: stoa.KindNotFound, Message: "the file store has no identity yet", Err: errors.New(d.root),
		}
	}
	if err != nil {
		return "", d.fault("read", err)
	}
	id := strings.TrimSpace(string(b))
	if CheckKey(id) != nil {
		return "", unavailable(&Fault{
			Code: CodeUnreadable, Why: "the file identity in " + d.root + " is damaged", Fix: "restore that file from a backup",
		}, "the file with the identity of the file store is damaged; restore it from a backup")
	}
	return id, nil
}

// same reports what keeps the open root from being the store that d is bound to.
func (d *Dir) same(in *os.Root) error {
	if d.want == "" {
		return nil
	}
	id, err := d.identity(in)
	switch {
	case stoa.Is(err, stoa.KindNotFound):
		return unavailable(&Fault{
			Code: CodeMissing,
			Why:  d.root + " holds no file store: its file system is not mounted, or the files were moved away",
			Fix:  "mount the file store at " + d.root,
		}, "the file store is not there; check that its file system is mounted")
	case err != nil:
		return err
	case id != d.want:
		return unavailable(&Fault{
			Code: CodeOther, Why: d.root + " holds another file store than the one that the other nodes use",
			Fix: "mount at " + d.root + " the file store that all nodes share",
		}, "the file store is another one than that of this portal; check what is mounted")
	}
	return nil
}

// Make implements Driver. What it makes is open to the owner only; a root that is there keeps its mode.
func (d *Dir) Make(ctx context.Context, propose string) (string, error) {
	if CheckKey(propose) != nil {
		return "", stoa.Invalid("identity",
			"%q cannot be the identity of a store: the letters of a key are expected", propose)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return "", d.fault("made", err)
	}
	in, err := d.enter("made")
	if err != nil {
		return "", err
	}
	defer in.Close()
	if id, err := d.identity(in); !stoa.Is(err, stoa.KindNotFound) {
		return id, err
	}
	for _, dir := range []string{tmpName, dataName, historyName} {
		if err := in.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", d.fault("made", err)
		}
	}
	tmp, err := d.temp(in)
	if err != nil {
		return "", err
	}
	defer in.Remove(tmp.name)
	_, err = tmp.WriteString(propose + "\n")
	if err == nil {
		_, err = tmp.finish(!d.o.NoSync)
	}
	if err != nil {
		return "", d.fault("made", errors.Join(err, tmp.Close()))
	}
	if err := d.publish(in, tmp.name, identityName); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", d.fault("made", err)
	}
	return d.identity(in) // the winner's, which is ours when no other node was faster
}

// Check implements Driver: some bytes are written as those of files are, read back and removed. Once a day it also
// removes what writers that were killed left behind more than a day ago.
func (d *Dir) Check(ctx context.Context, identity string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := d.bind(identity)
	in, err := b.enterSame("used")
	if err != nil {
		return err
	}
	defer in.Close()
	if err := b.probe(in); err != nil {
		return err
	}
	now := d.o.Now()
	last := d.swept.Load()
	if now.Unix()-last < int64(leftoverAge.Seconds()) || !d.swept.CompareAndSwap(last, now.Unix()) {
		return nil
	}
	d.closeToOthers(in)
	return b.sweepLeftovers(in, now.Add(-leftoverAge))
}

// probe writes, reads and removes. It does not wait for the medium: a full disk, quota or server shows in Write or
// Close, and a node does this again and again.
func (d *Dir) probe(in *os.Root) error {
	tmp, err := d.temp(in)
	if err != nil {
		return err
	}
	defer in.Remove(tmp.name)
	sent := bytes.Repeat([]byte(NewKey()), probeBytes/32)
	if _, err = tmp.Write(sent); err == nil {
		_, err = tmp.finish(false)
	}
	if err != nil {
		return d.fault("written", errors.Join(err, tmp.Close()))
	}
	quick := *d
	quick.o.NoSync = true
	name := dataName + "/" + probePrefix + strings.TrimPrefix(tmp.name, tmpName+"/")
	if err := quick.publish(in, tmp.name, name); err != nil {
		return d.fault("written", err)
	}
	got, err := readSmall(in, name, probeBytes+1)
	if rerr := in.Remove(name); err == nil && rerr != nil {
		return d.fault("written", rerr)
	}
	if err != nil {
		return d.fault("read", err)
	}
	if !bytes.Equal(got, sent) {
		return unavailable(&Fault{
			Code: CodeUnreadable, Why: "the file store in " + d.root + " gives back other bytes than were written",
			Fix: "check the disk and the file system",
		}, "the file store gives back other bytes than were written")
	}
	if _, err := readNames(in, dataName); err != nil {
		return d.fault("read", err)
	}
	return nil
}

// closeToOthers takes from other accounts of the machine what they may do in the folders that hold files. It is not
// possible everywhere, and never a reason not to run.
func (d *Dir) closeToOthers(in *os.Root) {
	for _, dir := range []string{tmpName, dataName, historyName} {
		if st, err := in.Lstat(dir); err == nil && st.IsDir() && st.Mode().Perm()&0o077 != 0 {
			if err := in.Chmod(dir, 0o700); err != nil {
				d.o.Logger.Warn("other accounts of this machine may look into the file store",
					"directory", d.root+"/"+dir, "error", err)
			}
		}
	}
}

// fault turns an error of the file system into a sentence that names, where one is known, the way out.
// Visitors may see the sentence, so the directory stands in the fault.
func (d *Dir) fault(verb string, err error) error {
	code, why, fix := CodeUnreadable, "", "check the directory"
	switch {
	case errors.Is(err, syscall.ENOSPC):
		code, why, fix = CodeFull, "the disk is full", "free some space or move the store to a larger disk"
	case errors.Is(err, syscall.EDQUOT):
		code, why, fix = CodeFull, "the disk quota is used up", "raise the quota or free some space"
	case errors.Is(err, syscall.EFBIG):
		code, why = CodeFull, "the file is larger than the system allows"
		fix = "raise the limit for file sizes of this process"
	case errors.Is(err, syscall.EROFS):
		code, why, fix = CodeReadOnly, "the file system is read-only", "mount it so that it can be written"
	case errors.Is(err, fs.ErrPermission):
		why, fix = "permission was denied", "make the account that runs Stoa the owner of the directory"
	case errors.Is(err, syscall.ENOTDIR):
		code, why = CodeMissing, "a file stands where a directory is needed"
		fix = "move the file away or name another directory"
	case errors.Is(err, fs.ErrNotExist):
		code, why, fix = CodeMissing, "the directory is gone", "check that its file system is mounted"
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.EHOSTUNREACH):
		code, why, fix = CodeMissing, "its server has gone", "check the server of the file system, and mount it again"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		why, fix = "too many files are open", "raise the limit for open files of this process"
	}
	if code == CodeFull {
		fix += free(d.root)
	}
	said := why
	if why == "" {
		why, said = "see the log", err.Error()
		if no := syscall.Errno(0); errors.As(err, &no) {
			said = no.Error()
		}
	}
	sentence, _, _ := strings.Cut(fix, " (")
	reason := fmt.Sprintf("the file store in %s cannot be %s: %s", d.root, verb, said)
	return unavailable(&Fault{Code: code, Why: reason, Fix: fix, Err: err},
		"the file store cannot be %s: %s; %s", verb, why, sentence)
}
