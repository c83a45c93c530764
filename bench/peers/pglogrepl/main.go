// A peer for bench/postgres_bench.py: pglogrepl, the library that Go's Postgres connectors stand on. As
// the fastest of them do, one goroutine receives and another one decodes, so that the socket is
// rarely waited for. Reads a slot up to a position, counts rows, ends.
//
//	pglogrepl CONNECTION SLOT PUBLICATION END-LSN
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func must(err error) {
	if err != nil {
		log.Fatalln(err)
	}
}

type counts struct {
	rows, commits int
}

func decode(changes <-chan []byte, end pglogrepl.LSN, done chan<- counts) {
	var seen counts
	for change := range changes {
		message, err := pglogrepl.Parse(change)
		must(err)
		switch message := message.(type) {
		case *pglogrepl.InsertMessage, *pglogrepl.UpdateMessage, *pglogrepl.DeleteMessage:
			seen.rows++
		case *pglogrepl.CommitMessage:
			seen.commits++
			if message.CommitLSN >= end {
				done <- seen
				return
			}
		}
	}
	done <- seen
}

func receive(conn *pgconn.PgConn, end pglogrepl.LSN, changes chan<- []byte) {
	defer close(changes)
	for {
		raw, err := conn.ReceiveMessage(context.Background())
		must(err)
		if failure, ok := raw.(*pgproto3.ErrorResponse); ok {
			log.Fatalln(failure.Message)
		}
		data, ok := raw.(*pgproto3.CopyData)
		if !ok {
			continue
		}
		switch data.Data[0] {
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data.Data[1:])
			must(err)
			if alive.ServerWALEnd >= end {
				return
			}
			if alive.ReplyRequested {
				must(pglogrepl.SendStandbyStatusUpdate(context.Background(), conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: 1}))
			}
		case pglogrepl.XLogDataByteID:
			log, err := pglogrepl.ParseXLogData(data.Data[1:])
			must(err)
			changes <- append([]byte(nil), log.WALData...)
		}
	}
}

func main() {
	if len(os.Args) != 5 {
		log.Fatalln("pglogrepl CONNECTION SLOT PUBLICATION END-LSN")
	}
	end, err := pglogrepl.ParseLSN(os.Args[4])
	must(err)
	conn, err := pgconn.Connect(context.Background(), os.Args[1]+" replication=database")
	must(err)
	must(pglogrepl.StartReplication(context.Background(), conn, os.Args[2], 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + os.Args[3] + "'"}}))
	changes := make(chan []byte, 4096)
	done := make(chan counts)
	go receive(conn, end, changes)
	go decode(changes, end, done)
	seen := <-done
	fmt.Println(seen.rows, "rows,", seen.commits, "commits")
}
