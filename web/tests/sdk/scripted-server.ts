/** A real HTTP server that does what a test tells it: streams are driven by hand, all else is answered by routes. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  readonly text?: string;
  readonly headers?: Record<string, string>;
  /** The connection breaks instead. */
  readonly drop?: boolean;
  /** It never answers. */
  readonly hang?: boolean;
}

type Route = (asked: Asked) => Answer | Promise<Answer>;

/** One request for a stream, to be answered by the test. */
export class Connection {
  isClosed = false;
  readonly closed: Promise<void>;
  readonly asked: Asked;
  #response: ServerResponse;

  constructor(asked: Asked, response: ServerResponse) {
    this.asked = asked;
    this.#response = response;
    this.closed = new Promise((resolve) => {
      response.on("close", () => {
        this.isClosed = true;
        resolve();
      });
    });
  }

  /** The head of a stream, and how long to wait before coming back. */
  open(retryMs = 1): this {
    this.head();
    this.write(`retry: ${retryMs}\n\n`);
    return this;
  }

  head(headers: Record<string, string> = {}): this {
    this.#response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", ...headers });
    this.#response.flushHeaders();
    return this;
  }

  event(data: object, id?: string | number): this {
    this.write(`${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
    return this;
  }

  /** Durable events, each with its seq as its id. */
  events(...events: readonly { seq: number }[]): this {
    for (const event of events) this.event(event, event.seq);
    return this;
  }

  write(bytes: string | Uint8Array): this {
    this.#response.write(bytes);
    return this;
  }

  /** Bytes on their own way: those before have been read when this resolves, or nearly so. */
  async apart(bytes: string | Uint8Array): Promise<void> {
    await new Promise((resolve) => this.#response.write(bytes, resolve));
    await moment();
  }

  end(): void {
    this.#response.end();
  }

  /** Tears the connection. */
  drop(): void {
    this.#response.socket?.destroy();
  }

  refuse(status: number, body?: object, headers: Record<string, string> = {}): void {
    this.#response.writeHead(status, { "content-type": "application/problem+json", ...headers });
    this.#response.end(body ? JSON.stringify({ status, ...body }) : "");
  }

  html(status = 200): void {
    this.#response.writeHead(status, { "content-type": "text/html" });
    this.#response.end("<!doctype html><title>Sign in to the hotel's network</title>");
  }
}

/** Long enough for what was written to be on its way. */
const moment = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

export class ScriptedServer {
  url = "";
  readonly asked: Asked[] = [];
  readonly connections: Connection[] = [];
  /** Answers the streams that are asked for from now on, in place of the test. */
  script: ((connection: Connection) => void) | undefined;
  #taken = 0;
  #awaited: (() => void)[] = [];
  #routes = new Map<string, Route>();
  #server = createServer((request, response) => void this.#serve(request, response));
  #sockets = new Set<Socket>();
  #port = 0;

  constructor() {
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}`;
  }

  /** As when the process is killed: nothing answers at this address any more. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Another one takes its place. */
  restart = () => this.start();

  /** What `GET /path` and the like get. `/events` paths are streams, and never get here. */
  route(name: string, route: Route | Answer): void {
    this.#routes.set(name, typeof route === "function" ? route : () => route);
  }

  /** The next request for a stream that no test has taken yet. */
  async stream(): Promise<Connection> {
    for (;;) {
      const connection = this.connections[this.#taken];
      if (connection) {
        this.#taken++;
        return connection;
      }
      await new Promise<void>((resolve) => this.#awaited.push(resolve));
    }
  }

  moment = moment;

  count(name: string): number {
    return this.asked.filter(({ method, path }) => `${method} ${path}` === name).length;
  }

  get openStreams(): number {
    return this.connections.filter((connection) => !connection.isClosed).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const asked: Asked = {
      ...{
        method: request.method ?? "",
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
      },
      body: text ? JSON.parse(text) : undefined,
    };
    this.asked.push(asked);
    if (url.pathname.endsWith("/events")) {
      const connection = new Connection(asked, response);
      this.connections.push(connection);
      this.script?.(connection);
      for (const wake of this.#awaited.splice(0)) wake();
      return;
    }
    const route = this.#routes.get(`${asked.method} ${asked.path}`) ?? (() => notFound);
    const answer = await route(asked);
    if (answer.hang) return;
    if (answer.drop) {
      response.socket?.destroy();
      return;
    }
    const type = answer.text === undefined ? "application/json" : "text/html";
    response.writeHead(answer.status ?? 200, { "content-type": type, ...answer.headers });
    response.end(answer.text ?? (answer.body === undefined ? "" : JSON.stringify(answer.body)));
  }
}

export const notFound: Answer = {
  status: 404,
  body: {
    status: 404,
    code: "not_found",
    detail: "There is no such job.",
    retryable: false,
    requestId: "r1",
  },
};

/** A server for one test. */
export async function scriptedServer(): Promise<ScriptedServer> {
  const server = new ScriptedServer();
  await server.start();
  onTestFinished(() => server.stop().catch(() => {}));
  return server;
}
