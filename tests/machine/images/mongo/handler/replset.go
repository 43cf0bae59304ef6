// Package handler is FerretDB's; make.sh adds this file to it, and two lines that call it. With
// it the server keeps a replica set of one member through the commands every driver knows, as
// `mongod --replSet` does: it takes no writes before replSetInitiate, and then tells drivers the
// address it was given there. There is no oplog behind it.
package handler

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/FerretDB/wire"

	"github.com/FerretDB/FerretDB/internal/handler/handlererrors"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
	"github.com/FerretDB/FerretDB/internal/util/must"
)

// MongoDB's own error codes, which FerretDB does not list.
const (
	alreadyInitialized   = handlererrors.ErrorCode(23)
	noReplicationEnabled = handlererrors.ErrorCode(76)
	notYetInitialized    = handlererrors.ErrorCode(94)
)

// memberFile holds the member's address once the set is initiated; it lies beside the data.
var memberFile = os.Getenv("REPLSET_FILE")

// member returns the address the set was initiated with; empty if it was not.
func member() (string, error) {
	address, err := os.ReadFile(memberFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	return strings.TrimSpace(string(address)), err
}

// describeReplicaSet corrects the hello reply of a server started with a replica set name.
func (h *Handler) describeReplicaSet(hello *types.Document) error {
	if h.ReplSetName == "" {
		return nil
	}

	address, err := member()
	if err != nil {
		return lazyerrors.Error(err)
	}

	if address == "" {
		hello.Remove("setName")
		hello.Remove("hosts")

		for _, primary := range []string{"isWritablePrimary", "ismaster"} {
			if hello.Has(primary) {
				hello.Set(primary, false)
			}
		}

		hello.Set("isreplicaset", true)
		hello.Set("info", "Does not have a valid replica set config")

		return nil
	}

	hello.Set("hosts", must.NotFail(types.NewArray(address)))
	hello.Set("primary", address)
	hello.Set("me", address)
	hello.Set("secondary", false)
	hello.Set("setVersion", int32(1))

	return nil
}

// MsgReplSetInitiate implements `replSetInitiate` command for a set of one member.
func (h *Handler) MsgReplSetInitiate(_ context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
	address, err := h.replicaSetMember()
	if err != nil {
		return nil, err
	}

	if address != "" {
		return nil, handlererrors.NewCommandErrorMsg(alreadyInitialized, "already initialized")
	}

	doc, err := opMsgDocument(msg)
	if err != nil {
		return nil, lazyerrors.Error(err)
	}

	if address, err = firstHost(doc); err != nil {
		return nil, err
	}

	if err = os.WriteFile(memberFile, []byte(address+"\n"), 0o600); err != nil {
		return nil, lazyerrors.Error(err)
	}

	return documentOpMsg(must.NotFail(types.NewDocument("ok", float64(1))))
}

// MsgReplSetGetStatus implements `replSetGetStatus` command.
func (h *Handler) MsgReplSetGetStatus(context.Context, *wire.OpMsg) (*wire.OpMsg, error) {
	address, err := h.replicaSetMember()
	if err != nil {
		return nil, err
	}

	if address == "" {
		return nil, handlererrors.NewCommandErrorMsg(notYetInitialized, "no replset config has been received")
	}

	self := must.NotFail(types.NewDocument(
		"_id", int32(0), "name", address, "health", float64(1),
		"state", int32(1), "stateStr", "PRIMARY", "self", true,
	))

	return documentOpMsg(must.NotFail(types.NewDocument(
		"set", h.ReplSetName, "myState", int32(1),
		"members", must.NotFail(types.NewArray(self)), "ok", float64(1),
	)))
}

// replicaSetMember is member, refused where the server was started without a replica set name.
func (h *Handler) replicaSetMember() (string, error) {
	if h.ReplSetName == "" {
		return "", handlererrors.NewCommandErrorMsg(noReplicationEnabled, "not running with --replSet")
	}

	address, err := member()
	if err != nil {
		return "", lazyerrors.Error(err)
	}

	return address, nil
}

// firstHost returns the host of the configuration's only member, or this host if there is none.
func firstHost(initiate *types.Document) (string, error) {
	if config, ok := must.NotFail(initiate.Get(initiate.Command())).(*types.Document); ok {
		if list, _ := config.Get("members"); list != nil {
			members, ok := list.(*types.Array)
			if !ok || members.Len() != 1 {
				return "", handlererrors.NewCommandErrorMsg(
					handlererrors.ErrBadValue, "this stand-in keeps a replica set of exactly one member")
			}

			if doc, ok := must.NotFail(members.Get(0)).(*types.Document); ok {
				if host, _ := doc.Get("host"); host != nil {
					return host.(string), nil
				}
			}
		}
	}

	name, err := os.Hostname()

	return name + ":27017", err
}
