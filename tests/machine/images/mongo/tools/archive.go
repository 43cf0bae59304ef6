package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// An archive is a sequence of BSON documents, records; it is not MongoDB's format. The first
// record of each collection has its indexes, the others one document each.
type record struct {
	Format     string   `bson:"format,omitempty"` // in the archive's first record only
	Database   string   `bson:"db,omitempty"`
	Collection string   `bson:"collection,omitempty"`
	Indexes    []bson.D `bson:"indexes,omitempty"`
	Document   bson.Raw `bson:"document,omitempty"`
}

const format = "devenv test machine, mongodump stand-in, 1"

// dump is mongodump --archive[=FILE] --uri=URL [--db NAME].
func dump(args []string) error {
	out, uri, name := "", "mongodb://127.0.0.1/", ""
	if _, err := flags(archiveAs(args), map[string]*string{"archive": &out, "uri": &uri, "db": &name, "d": &name}, "quiet"); err != nil {
		return err
	}
	client, named, err := connect(uri)
	if err != nil {
		return err
	}
	file := os.Stdout
	if out != "" {
		if file, err = os.Create(out); err != nil {
			return err
		}
	}
	databases, err := toDump(client, name, named)
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(file)
	if err := write(writer, record{Format: format}); err != nil {
		return err
	}
	for _, database := range databases {
		if err := dumpDatabase(writer, client.Database(database)); err != nil {
			return err
		}
	}
	return errors.Join(writer.Flush(), file.Close())
}

// toDump is the database that was asked for, or all that are not the server's own.
func toDump(client *mongo.Client, asked ...string) ([]string, error) {
	for _, name := range asked {
		if name != "" {
			return []string{name}, nil
		}
	}
	return client.ListDatabaseNames(context.Background(),
		bson.M{"name": bson.M{"$nin": bson.A{"admin", "config", "local"}}})
}

func dumpDatabase(writer io.Writer, database *mongo.Database) error {
	ctx := context.Background()
	collections, err := database.ListCollectionNames(ctx, bson.M{})
	if err != nil {
		return err
	}
	for _, name := range collections {
		head := record{Database: database.Name(), Collection: name}
		indexes, err := database.Collection(name).Indexes().List(ctx)
		if err != nil {
			return err
		}
		if err := indexes.All(ctx, &head.Indexes); err != nil {
			return err
		}
		if err := write(writer, head); err != nil {
			return err
		}
		documents, err := database.Collection(name).Find(ctx, bson.M{})
		if err != nil {
			return err
		}
		count := 0
		for ; documents.Next(ctx); count++ {
			if err := write(writer, record{Document: documents.Current}); err != nil {
				return err
			}
		}
		if err := documents.Err(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "done dumping %s.%s (%d documents)\n", database.Name(), name, count)
	}
	return nil
}

// restore is mongorestore --archive[=FILE] [--drop] --uri=URL. It stops at the first error anyway, and
// what --nsExclude is for, the server's own databases, is not in an archive of dump's.
func restore(args []string) error {
	in, uri, excluded := "", "mongodb://127.0.0.1/", ""
	named := map[string]*string{"archive": &in, "uri": &uri, "nsExclude": &excluded}
	if _, err := flags(archiveAs(args), named, "quiet", "drop", "stopOnError"); err != nil {
		return err
	}
	client, _, err := connect(uri)
	if err != nil {
		return err
	}
	file := os.Stdin
	if in != "" {
		if file, err = os.Open(in); err != nil {
			return err
		}
		defer file.Close()
	}
	reader := bufio.NewReader(file)
	first, err := read(reader)
	if err != nil || first.Format != format {
		return errors.New("not an archive of this stand-in's mongodump: MongoDB's own cannot be read")
	}
	return restoreAll(reader, client, contains(args, "--drop"))
}

func restoreAll(reader io.Reader, client *mongo.Client, drop bool) error {
	ctx := context.Background()
	var collection *mongo.Collection
	var batch []any
	count := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := collection.InsertMany(ctx, batch)
		batch = batch[:0]
		return err
	}
	for {
		next, err := read(reader)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if next.Document != nil {
			batch = append(batch, next.Document)
			count++
			if len(batch) == 1000 {
				if err := flush(); err != nil {
					return err
				}
			}
			continue
		}
		if collection != nil {
			if err := flush(); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "finished restoring %s.%s (%d documents)\n", collection.Database().Name(), collection.Name(), count)
		}
		if end {
			return nil
		}
		collection, count = client.Database(next.Database).Collection(next.Collection), 0
		if err := createCollection(ctx, collection, next.Indexes, drop); err != nil {
			return err
		}
	}
}

func createCollection(ctx context.Context, collection *mongo.Collection, indexes []bson.D, drop bool) error {
	if drop {
		if err := collection.Drop(ctx); err != nil {
			return err
		}
	}
	wanted := bson.A{}
	for _, index := range indexes {
		if definition, name := withoutVersion(index); name != "_id_" {
			wanted = append(wanted, definition)
		}
	}
	if len(wanted) == 0 {
		return collection.Database().CreateCollection(ctx, collection.Name())
	}
	return collection.Database().RunCommand(ctx,
		bson.D{{Key: "createIndexes", Value: collection.Name()}, {Key: "indexes", Value: wanted}}).Err()
}

// withoutVersion drops what a server adds to an index and FerretDB does not take back.
func withoutVersion(index bson.D) (definition bson.D, name any) {
	for _, field := range index {
		if field.Key == "name" {
			name = field.Value
		}
		if field.Key != "v" {
			definition = append(definition, field)
		}
	}
	return definition, name
}

func write(writer io.Writer, item record) error {
	data, err := bson.Marshal(item)
	if err == nil {
		_, err = writer.Write(data)
	}
	return err
}

// read reads one record; a BSON document starts with its own length.
func read(reader io.Reader) (item record, err error) {
	head := make([]byte, 4)
	if _, err = io.ReadFull(reader, head); err != nil {
		return item, err
	}
	size := binary.LittleEndian.Uint32(head)
	if size < 5 || size > 64<<20 {
		return item, fmt.Errorf("a record of %d bytes: the archive is damaged", size)
	}
	data := append(head, make([]byte, size-4)...)
	if _, err = io.ReadFull(reader, data[4:]); err != nil {
		return item, io.ErrUnexpectedEOF
	}
	return item, bson.Unmarshal(data, &item)
}

// archiveAs gives a bare --archive, which means standard input or output, an empty value.
func archiveAs(args []string) []string {
	filled := make([]string, len(args))
	for i, arg := range args {
		if arg == "--archive" {
			arg = "--archive="
		}
		filled[i] = arg
	}
	return filled
}
