// Command mongotools stands in for mongosh, mongodump and mongorestore, by the name it is called
// by. It knows the forms that compose files and seed scripts use, and refuses the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func main() {
	tools := map[string]func([]string) error{
		"mongosh":      shell,
		"mongodump":    dump,
		"mongorestore": restore,
	}
	name := filepath.Base(os.Args[0])
	tool, ok := tools[name]
	if !ok {
		tool = func([]string) error { return errors.New("call it as mongosh, mongodump or mongorestore") }
	}
	if err := tool(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// flags sorts arguments into the named options and the rest. An option takes the next argument
// or what follows its "="; one whose name is in switches takes none.
func flags(args []string, named map[string]*string, switches ...string) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") {
			rest = append(rest, arg)
			continue
		}
		name, value, attached := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		target, known := named[name]
		switch {
		case known && attached:
			*target = value
		case known && len(args) > 0:
			*target, args = args[0], args[1:]
		case known || !contains(switches, name):
			return nil, fmt.Errorf("option %s is not known to this stand-in, or lacks its value", arg)
		}
	}
	return rest, nil
}

func contains(list []string, item string) bool {
	for _, each := range list {
		if each == item {
			return true
		}
	}
	return false
}

// connect opens a client on a connection string, straight to its host unless it names a replica
// set, as mongosh does. The second result is the database the string names.
func connect(uri string) (*mongo.Client, string, error) {
	parsed, err := url.Parse(uri)
	if err != nil {
		return nil, "", err
	}
	opts := options.Client().ApplyURI(uri).SetServerSelectionTimeout(5 * time.Second)
	query := parsed.Query()
	if !query.Has("replicaSet") && !query.Has("directConnection") && !strings.Contains(parsed.Host, ",") {
		opts.SetDirect(true)
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, "", err
	}
	return client, strings.Trim(parsed.Path, "/"), client.Ping(context.Background(), nil)
}

// withUser puts a user into a connection string.
func withUser(uri, user, password, authDB string) string {
	parsed, err := url.Parse(uri)
	if err != nil {
		return uri // connect reports it
	}
	parsed.User = url.UserPassword(user, password)
	query := parsed.Query()
	if authDB != "" {
		query.Set("authSource", authDB)
	}
	parsed.RawQuery = query.Encode()
	return parsed.String()
}
