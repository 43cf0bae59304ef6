import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const server = createServer(async (request, response) => {
  const page = await readFile(new URL("page.html", import.meta.url), "utf8");
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end(page.replaceAll("{path}", request.url.replace(/[^\w/.-]/g, "")));
});

server.listen(process.env.PORT ?? 3000);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
