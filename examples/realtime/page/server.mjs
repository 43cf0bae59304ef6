// Serves the page and Deepstream's client for it.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'

const files = {
  '/': ['index.html', 'text/html'],
  '/ds.js': ['node_modules/@deepstream/client/dist/bundle/ds.min.js', 'text/javascript'],
}

createServer((request, response) => {
  if (request.url === '/healthz') return response.end('ok')
  const [file, type] = files[request.url] ?? []
  if (!file) return response.writeHead(404).end()
  response.setHeader('content-type', `${type}; charset=utf-8`)
  createReadStream(file).pipe(response)
}).listen(8080)

process.on('SIGTERM', () => process.exit(0))
