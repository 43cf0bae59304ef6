// Does the jobs that lie in Redis as Resque puts them there; what it has done is noted in Memcached.
import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { Worker } from 'node-resque'

const note = (job, text) =>
  new Promise((resolve, reject) => {
    const [host, port] = process.env.MEMCACHED_SERVERS.split(':')
    const server = connect(Number(port), host, () => server.write(`set resque/${job} 0 0 ${text.length}\r\n${text}\r\n`))
    server.once('data', () => resolve(server.end())).once('error', reject)
  })

const jobs = {
  do: {
    perform: async (job) => {
      console.log(`resque: ${job}`)
      await note(job, 'done by resque')
    },
  },
}

const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null })
const worker = new Worker({ connection: { redis }, queues: ['jobs'] }, jobs, { timeout: 200 })
worker.on('error', (error) => console.error(error))
worker.on('failure', (queue, job, error) => console.error(error))
await worker.connect()
worker.start()
process.on('SIGTERM', async () => {
  await worker.end()
  process.exit(0)
})
