/// Numbers as people read them.
extension Double {
  /// With a fixed number of digits after the point.
  func fixed(_ digits: Int) -> String {
    guard isFinite, abs(self) < 1e15 else { return "\(self)" }
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    let scaled = Int((abs(self) * Double(unit)).rounded())
    let sign = self < 0 && scaled > 0 ? "-" : ""
    if digits == 0 { return sign + "\(scaled)" }
    let fraction = "\(scaled % unit)"
    return sign + "\(scaled / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// As a duration in seconds: `42s`, `3m05s`, `2h07m`.
  var duration: String {
    guard isFinite, self < 1e9 else { return "?" }
    let seconds = Int(rounded())
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    if seconds < 60 { return "\(seconds)s" }
    if seconds < 3600 { return "\(seconds / 60)m\(two(seconds % 60))s" }
    return "\(seconds / 3600)h\(two(seconds / 60 % 60))m"
  }

  /// With two significant digits and an exponent: `9.7e-04`.
  var scientific: String {
    guard isFinite, self != 0 else { return "\(self)" }
    var mantissa = abs(self), exponent = 0
    while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    if mantissa.fixed(1) == "10.0" { (mantissa, exponent) = (1, exponent + 1) }
    let digits = abs(exponent) < 10 ? "0\(abs(exponent))" : "\(abs(exponent))"
    return (self < 0 ? "-" : "") + mantissa.fixed(1) + "e" + (exponent < 0 ? "-" : "+") + digits
  }
}

extension Int {
  /// With thousands set apart: `1,115,394`.
  var grouped: String {
    var digits = Array(String(magnitude).reversed()), index = 3
    while index < digits.count {
      digits.insert(",", at: index)
      index += 4
    }
    return (self < 0 ? "-" : "") + String(digits.reversed())
  }

  /// As an amount of memory: `35.2 MB` (10⁶ bytes).
  var bytes: String {
    switch self {
    case ..<10_000: "\(self) B"
    case ..<10_000_000: "\((Double(self) / 1e3).fixed(1)) kB"
    case ..<10_000_000_000: "\((Double(self) / 1e6).fixed(1)) MB"
    default: "\((Double(self) / 1e9).fixed(2)) GB"
    }
  }
}

extension Double {
  /// A share in percent: `87.3 %`.
  var percent: String { (100 * self).fixed(1) + " %" }
}
