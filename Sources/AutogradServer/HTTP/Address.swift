import FlyingSocks

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Addresses in digits.
enum Address {
  static func isIPv4(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { part in
      (1...3).contains(part.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) } && (Int(part) ?? 256) < 256
    }
  }

  /// Whether a text has the form of one; the system says whether it is one.
  static func looksLikeIPv6(_ text: String) -> Bool {
    text.count(where: { $0 == ":" }) >= 2 && text.count <= 45
      && text.allSatisfy { $0.isASCII && ($0.isHexDigit || $0 == ":" || $0 == ".") }
  }

  /// A socket that listens, and the port that it has.
  ///
  /// - Throws: `noAddress`, `inUse`, `cannotListen`.
  static func listen(host: String, port: UInt16) throws(ServerError) -> (socket: Socket, port: UInt16) {
    let digits = host == "localhost" ? "127.0.0.1" : host
    let shown = looksLikeIPv6(digits) ? "[\(digits)]:\(port)" : "\(digits):\(port)"
    let isIPv6 = looksLikeIPv6(digits)
    guard isIPv6 || isIPv4(digits) else { throw .noAddress(host) }
    do {
      let socket = try Socket(domain: isIPv6 ? AF_INET6 : AF_INET, type: .stream)
      do {
        try socket.setValue(true, for: .localAddressReuse)
        if isIPv6 {
          try socket.bind(to: .inet6(ip6: digits, port: port))
        } else {
          try socket.bind(to: .inet(ip4: digits, port: port))
        }
      } catch {
        try? socket.close()
        throw error
      }
      try socket.listen(maxPendingConnection: 128)  // closes it where that fails
      switch try socket.sockname() {
      case .ip4(_, let port), .ip6(_, let port): return (socket, port)
      case .unix: throw SocketError.unsupportedAddress
      }
    } catch SocketError.failed(_, EADDRINUSE, _) {
      throw .inUse(address: shown)
    } catch SocketError.failed("inet_pton AF_INET6", _, _) {
      throw .noAddress(host)
    } catch SocketError.failed(_, _, let message) {
      throw .cannotListen(address: shown, reason: message)
    } catch {
      throw .cannotListen(address: shown, reason: "\(error)")
    }
  }
}
