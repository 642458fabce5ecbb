package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Notices as the JSON that webhooks and programs get. Fields are only ever added. */
final class NoticeJson {
  private NoticeJson() {}

  static byte[] of(List<Notice> notices) {
    StringBuilder out = new StringBuilder("{\"version\":1,\"notices\":[");
    String separator = "";
    for (Notice notice : notices) {
      Alarm alarm = notice.alarm();
      out.append(separator).append('{');
      field(out, "event", notice.event().label()).append(',');
      field(out, "id", alarm.id()).append(',');
      field(out, "code", alarm.kind().code()).append(',');
      field(out, "severity", alarm.severity().label()).append(',');
      field(out, "subject", alarm.subject()).append(',');
      out.append("\"since\":").append(time(alarm.since())).append(',');
      out.append("\"raisedAt\":").append(time(Optional.of(notice.raisedAt()))).append(',');
      out.append("\"at\":").append(time(Optional.of(notice.at()))).append(',');
      field(out, "expected", alarm.expected()).append(',');
      field(out, "found", alarm.found()).append(',');
      field(out, "remedy", alarm.remedy()).append('}');
      separator = ",";
    }
    return out.append("]}").toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String time(Optional<Instant> time) {
    return time.map(at -> "\"" + at + "\"").orElse("null");
  }

  private static StringBuilder field(StringBuilder out, String name, String value) {
    out.append('"').append(name).append("\":\"");
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < 0x20 || c == 0x7F || Character.isSurrogate(c)) {
        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"');
  }
}
