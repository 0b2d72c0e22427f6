import AutogradBase
import Dispatch
import FlyingSocks

/// Listens, and answers every connection in a task of its own.
public final class Server: Sendable {
  /// Where it listens, as a browser wants it: `http://127.0.0.1:8080`.
  public let url: String
  public let port: UInt16
  private let listener: Socket
  private let service: Service
  private let batcher: Batcher
  private let alarms = Alarms()

  /// Begins to listen; connections wait until `run`.
  ///
  /// - Parameters:
  ///   - batcher: Ended by `run`.
  ///   - log: Takes a line for each request.
  /// - Throws: `ServerError` where the settings are not safe, or nobody can listen there.
  public init(
    _ settings: ServerSettings, _ model: ServedModel, _ batcher: Batcher, log: @escaping @Sendable (String) -> Void
  ) throws(ServerError) {
    if settings.key == nil, !settings.isLocal { throw .needsKey(host: settings.host) }
    if let key = settings.key, key.isEmpty || !key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) { throw .emptyKey }
    (listener, port) = try Address.listen(host: settings.host, port: settings.port)
    let host = Address.looksLikeIPv6(settings.host) ? "[\(settings.host)]" : settings.host
    url = "http://\(host):\(port)"
    service = Service(settings, model, batcher, log: log)
    self.batcher = batcher
  }

  /// Answers until `shouldEnd` says so; then takes nothing new, waits for answers under way as long as the limits allow,
  /// and returns.
  ///
  /// - Parameter shouldEnd: Asked ten times a second.
  public func run(until shouldEnd: @escaping @Sendable () -> Bool) {
    let done = DispatchSemaphore(value: 0)
    Task {
      await serve(until: shouldEnd)
      done.signal()
    }
    done.wait()
    batcher.end()
  }

  private func serve(until shouldEnd: @escaping @Sendable () -> Bool) async {
    let pool: some AsyncSocketPool = SocketPool.make(maxEvents: 64)
    guard (try? await pool.prepare()) != nil, let listening = try? AsyncSocket(socket: listener, pool: pool) else { return }
    let events = Task { try? await pool.run() }
    let accepting = Task { await accept(listening, pool) }
    await wait { shouldEnd() }
    service.drain()
    let deadline = Deadline(seconds: service.settings.limits.secondsForDraining)
    await wait { !batcher.isBusy || deadline.hasPassed }
    batcher.failAll(.ending)
    // What was said last is to be sent before connections are cut.
    let last = Deadline(seconds: 1)
    await wait { alarms.count == 0 || last.hasPassed && !batcher.isBusy }
    accepting.cancel()
    await accepting.value
    try? listener.close()
    events.cancel()
    await events.value
  }

  /// Takes connections until it is cancelled, and ends with the last of them.
  private func accept(_ listening: AsyncSocket, _ pool: some AsyncSocketPool) async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        do {
          let socket = try await listening.accept()
          guard let alarm = alarms.add(socket.socket, limit: service.settings.limits.connections) else {
            await refuse(socket)
            continue
          }
          group.addTask { [self] in await handle(socket, alarm) }
        } catch is CancellationError {
          break
        } catch {
          // No descriptor is left, or a client was gone at once: neither ends a server.
          try? await Task.sleep(for: .milliseconds(50))
        }
      }
      group.cancelAll()
    }
  }

  /// Looks ten times a second, also at the time that connections have.
  private func wait(until isOver: () -> Bool) async {
    while !isOver() {
      alarms.tick()
      try? await Task.sleep(for: .milliseconds(100))
    }
  }

  private func handle(_ socket: AsyncSocket, _ alarm: Alarm) async {
    sendAtOnce(socket.socket)
    var connection = Connection(socket, service, alarm)
    await connection.run()
    alarms.remove(alarm)
    try? socket.close()
  }

  private func refuse(_ socket: AsyncSocket) async {
    let error = APIError(
      status: 503, "\(service.settings.limits.connections) connections are open already; close some, or come again",
      type: "server_error", code: "too_many_connections", retryAfter: 2)
    let response = ServerResponse(error)
    if case .whole(let body) = response.body {
      // Into an empty buffer it goes at once.
      try? await writeAll(response.head(keepsAlive: false, isChunked: false) + body, to: socket)
    }
    try? socket.close()
  }
}
