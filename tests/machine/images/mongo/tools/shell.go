package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// The shell's own objects (db, rs, ObjectId ...), in the shell's own language.
//
//go:embed shell.js
var shellObjects string

// shell is mongosh: [URL or database] [--eval SCRIPT] [FILE.js ...].
func shell(args []string) error {
	var eval, user, password, authDB string
	host, port := "127.0.0.1", "27017"
	rest, err := flags(args, map[string]*string{
		"eval": &eval, "host": &host, "port": &port,
		"username": &user, "u": &user, "password": &password, "p": &password,
		"authenticationDatabase": &authDB,
	}, "quiet", "norc", "nodb")
	if err != nil {
		return err
	}
	uri, files := address(host, port), rest
	if len(rest) > 0 && !strings.HasSuffix(rest[0], ".js") {
		uri, files = rest[0], rest[1:]
		if !strings.Contains(uri, "://") {
			uri = address(host, port) + uri
		}
	}
	if user != "" {
		uri = withUser(uri, user, password, authDB)
	}
	client, name, err := connect(uri)
	if err != nil {
		return err
	}
	if name == "" {
		name = "test"
	}
	return run(client, name, eval, files)
}

func run(client *mongo.Client, name, eval string, files []string) error {
	js, err := newRuntime(client, name)
	if err != nil {
		return err
	}
	if eval != "" {
		result, err := js.RunScript("eval", eval)
		if err != nil {
			return err
		}
		if !goja.IsUndefined(result) {
			js.Set("_result", result)
			_, err = js.RunString("printjson(_result)")
		}
		if err != nil {
			return err
		}
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := js.RunScript(file, string(source)); err != nil {
			return err
		}
	}
	if eval == "" && len(files) == 0 {
		return errors.New("this stand-in runs --eval and script files; it has no prompt")
	}
	return nil
}

func newRuntime(client *mongo.Client, name string) (*goja.Runtime, error) {
	js := goja.New()
	environment := map[string]string{}
	for _, entry := range os.Environ() {
		key, value, _ := strings.Cut(entry, "=")
		environment[key] = value
	}
	js.Set("_database", name)
	js.Set("_environment", environment)
	js.Set("_newId", func() string { return bson.NewObjectID().Hex() })
	js.Set("_run", func(database, command string) (string, error) { return runCommand(client, database, command) })
	js.Set("print", func(call goja.FunctionCall) goja.Value {
		words := make([]string, len(call.Arguments))
		for i, argument := range call.Arguments {
			words[i] = argument.String()
		}
		fmt.Println(strings.Join(words, " "))
		return goja.Undefined()
	})
	js.Set("sleep", func(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) })
	js.Set("quit", os.Exit)
	js.Set("exit", os.Exit)
	_, err := js.RunScript("shell.js", shellObjects)
	return js, err
}

// runCommand sends a command and returns the reply, both as extended JSON. The server's refusal
// is a reply too: {_error, code, codeName}.
func runCommand(client *mongo.Client, database, command string) (string, error) {
	var request, reply bson.D
	if err := bson.UnmarshalExtJSON([]byte(command), false, &request); err != nil {
		return "", err
	}
	err := client.Database(database).RunCommand(context.Background(), request).Decode(&reply)
	var refused mongo.CommandError
	var failed mongo.WriteException
	switch {
	case errors.As(err, &refused):
		reply = bson.D{{Key: "_error", Value: refused.Message}, {Key: "code", Value: refused.Code}, {Key: "codeName", Value: refused.Name}}
	case errors.As(err, &failed) && len(failed.WriteErrors) > 0:
		first := failed.WriteErrors[0]
		reply = bson.D{{Key: "_error", Value: first.Message}, {Key: "code", Value: first.Code}}
	case err != nil:
		return "", err
	}
	text, err := bson.MarshalExtJSON(reply, false, false)
	return string(text), err
}

func address(host, port string) string {
	if !strings.Contains(host, ":") {
		host += ":" + port
	}
	return "mongodb://" + host + "/"
}
