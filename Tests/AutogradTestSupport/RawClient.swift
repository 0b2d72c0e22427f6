import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A client that sends what bytes it likes, and reads what comes.
public final class RawClient {
  public struct Failed: Error { public let call: String, number: Int32 }

  private let descriptor: Int32
  private var isOpen = true

  public init(port: UInt16, seconds: Int = 300) throws {
    #if canImport(Glibc)
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var wait = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    if status != 0 { throw Failed(call: "connect", number: errno) }
  }

  deinit { close() }

  public func close() {
    if isOpen { _ = systemClose(descriptor) }
    isOpen = false
  }

  /// Closes so that the other side sees an error.
  public func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  /// - Returns: Whether all of it was taken.
  @discardableResult
  public func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { systemSend(descriptor, $0) }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  public func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// What comes next; nil where nothing more does.
  public func some() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count > 0 ? Array(buffer[..<count]) : nil
  }

  /// Everything until the other side closes.
  public func rest() -> String {
    var bytes: [UInt8] = []
    while let more = some() { bytes += more }
    return String(decoding: bytes, as: UTF8.self)
  }

  private var waiting: [UInt8] = []

  /// Reads one answer with its body, and leaves what follows.
  public func answer() throws -> RawAnswer {
    while true {
      if let (answer, count) = RawAnswer.first(in: waiting) {
        waiting.removeFirst(count)
        return answer
      }
      guard let more = some() else { throw Failed(call: "recv after \(String(decoding: waiting, as: UTF8.self))", number: errno) }
      waiting += more
    }
  }

  /// Waits until a text has come.
  public func wait(for text: String) -> Bool {
    while !String(decoding: waiting, as: UTF8.self).contains(text) {
      guard let more = some() else { return false }
      waiting += more
    }
    return true
  }
}

public struct RawAnswer {
  public var status = 0
  public var fields: [String: String] = [:]
  public var body = ""

  public var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:] }
  public var errorMember: [String: Any] { json["error"] as? [String: Any] ?? [:] }

  /// The values of server-sent events.
  public var events: [String] { body.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { String($0.dropFirst(6)) } }

  /// The first answer in bytes, and how many they are; nil where it is not whole.
  static func first(in bytes: [UInt8]) -> (RawAnswer, Int)? {
    let gap = Array("\r\n\r\n".utf8)
    guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: gap) }) else { return nil }
    let head = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n"), start = end + gap.count
    var answer = RawAnswer()
    answer.status = Int(head[0].split(separator: " ")[1]) ?? 0
    for line in head.dropFirst() {
      let parts = line.components(separatedBy: ": ")
      answer.fields[parts[0].lowercased()] = parts.dropFirst().joined(separator: ": ")
    }
    var index = start
    if let length = answer.fields["content-length"].flatMap({ Int($0) }) {
      guard bytes.count >= start + length else { return nil }
      answer.body = String(decoding: bytes[start..<start + length], as: UTF8.self)
      return (answer, start + length)
    }
    guard answer.fields["transfer-encoding"] == "chunked" else { return (answer, bytes.count) }
    var body: [UInt8] = []
    while let lineEnd = bytes[index...].firstIndex(of: 0x0A) {
      guard let size = Int(String(decoding: bytes[index..<lineEnd - 1], as: UTF8.self), radix: 16) else { return nil }
      guard bytes.count >= lineEnd + 1 + size + 2 else { return nil }
      body += bytes[lineEnd + 1..<lineEnd + 1 + size]
      index = lineEnd + 1 + size + 2
      if size == 0 {
        answer.body = String(decoding: body, as: UTF8.self)
        return (answer, index)
      }
    }
    return nil
  }
}

// Outside of the class, whose own functions would hide them.

private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }

private func systemSend(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  #if canImport(Darwin)
    send(descriptor, bytes.baseAddress, bytes.count, 0)
  #else
    send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
  #endif
}
