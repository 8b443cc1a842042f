// A server of twenty lines. portico starts it, says in PORT where to listen,
// watches it, and stops it with SIGTERM when it has no requests left.
const http = require('node:http');

const greeting = process.env.GREETING || 'Hello';

const server = http.createServer((req, res) => {
  if (req.url === '/healthz') return res.end('ok\n');
  if (req.url === '/crash') process.exit(1);
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end(`${greeting} from Node.js ${process.version}, process ${process.pid}\n`);
});

server.listen(process.env.PORT, process.env.HOST, () => console.log('listening on', process.env.PORT));

process.on('SIGTERM', () => {
  console.log('goodbye');
  server.close(() => process.exit(0));
});
