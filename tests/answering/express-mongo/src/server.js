import express from "express"
import { MongoClient } from "mongodb"

const app = express()
const notes = new MongoClient(process.env.MONGO_URL).db().collection("notes")

app.get("/", (_, answer) => answer.send(`notes, built by ${process.env.BUILT_BY}`))
app.post("/notes/:text", async (request, answer) => {
  await notes.insertOne({ text: request.params.text })
  answer.send("kept")
})
app.get("/notes", async (_, answer) => answer.send((await notes.find().toArray()).map(note => note.text)))
app.listen(3000)
