import Base
import HTTPClient
import Testing

@testable import Receiver

@Suite struct MetricsUnitTests {
    @Test func `a histogram counts up to and with each bound`() {
        let histogram = DurationHistogram()
        let bounds = DurationHistogram.boundsMicroseconds
        #expect(bounds == bounds.sorted())
        for bound in bounds {
            histogram.record(microseconds: bound)
            histogram.record(microseconds: bound + 1)
        }
        let (cumulative, sum) = histogram.snapshot()
        #expect(
            cumulative == (0...bounds.count).map { UInt64(2 * min($0 + 1, bounds.count) - ($0 < bounds.count ? 1 : 0)) }
        )
        #expect(sum == bounds.reduce(0) { $0 + 2 * $1 + 1 })
    }

    @Test func `an empty histogram is all zeros`() {
        let (cumulative, sum) = DurationHistogram().snapshot()
        #expect(cumulative.allSatisfy { $0 == 0 })
        #expect(cumulative.count == DurationHistogram.boundsMicroseconds.count + 1)
        #expect(sum == 0)
    }

    @Test func `the page is in Prometheus' text format`() {
        var page = MetricsPage()
        page.add("a_total", .counter, "Things.", 7)
        page.add("b", .gauge, "Others.", [("kind=\"x\"", "1"), ("kind=\"y\"", "2.5")])
        let histogram = DurationHistogram()
        histogram.record(microseconds: 300)
        histogram.record(microseconds: 5_000_000)
        page.add("c_seconds", "Durations.", histogram)
        #expect(
            page.text == """
                # HELP a_total Things.
                # TYPE a_total counter
                a_total 7
                # HELP b Others.
                # TYPE b gauge
                b{kind="x"} 1
                b{kind="y"} 2.5
                # HELP c_seconds Durations.
                # TYPE c_seconds histogram
                c_seconds_bucket{le="0.00025"} 0
                c_seconds_bucket{le="0.0005"} 1
                c_seconds_bucket{le="0.001"} 1
                c_seconds_bucket{le="0.0025"} 1
                c_seconds_bucket{le="0.005"} 1
                c_seconds_bucket{le="0.01"} 1
                c_seconds_bucket{le="0.025"} 1
                c_seconds_bucket{le="0.05"} 1
                c_seconds_bucket{le="0.1"} 1
                c_seconds_bucket{le="0.25"} 1
                c_seconds_bucket{le="1.0"} 1
                c_seconds_bucket{le="2.5"} 1
                c_seconds_bucket{le="5.0"} 2
                c_seconds_bucket{le="10.0"} 2
                c_seconds_bucket{le="30.0"} 2
                c_seconds_bucket{le="+Inf"} 2
                c_seconds_sum 5.0003
                c_seconds_count 2

                """)
    }

    @Test func `a counter only grows`() {
        let counter = Counter()
        counter.increment()
        counter.increment(by: 41)
        #expect(counter.value == 42)
    }
}
