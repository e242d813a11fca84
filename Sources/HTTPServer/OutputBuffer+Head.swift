internal import Base

extension OutputBuffer {
    /// Appends the head of an answer.
    ///
    /// - Parameters:
    ///   - dateLine: CR LF, the Date field and CR LF.
    ///   - minorVersion: of the request.
    ///   - bodyCount: the length of the body, or nil for a stream.
    mutating func appendHead(
        _ response: borrowing Response, dateLine: [UInt8], minorVersion: UInt8, keepsAlive: Bool, bodyCount: Int?
    ) {
        reserve(512 + response.fieldLines.count)
        if response.status == 200 {
            append("HTTP/1.1 200 OK")
        } else {
            append("HTTP/1.1 ")
            append(number: Int(response.status))
            append(byte: ASCII.space)
            append(Response.reason(response.status))
        }
        append(dateLine)
        // No answer is anything but what its Content-Type says (the Fetch standard, "X-Content-Type-Options").
        append("X-Content-Type-Options: nosniff\r\n")
        if let contentType = response.contentType {
            append("Content-Type: ")
            append(contentType)
            append("\r\n")
        }
        if !response.forbidsBody {
            if let bodyCount {
                append("Content-Length: ")
                append(number: bodyCount)
                append("\r\n")
            } else if minorVersion > 0 {
                append("Transfer-Encoding: chunked\r\n")
            }
        }
        if !keepsAlive {
            append("Connection: close\r\n")
        } else if minorVersion == 0 {
            append("Connection: keep-alive\r\n")
        }
        append(response.fieldLines)
        append("\r\n")
    }
}
