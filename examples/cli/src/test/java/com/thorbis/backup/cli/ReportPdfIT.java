package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Needs Chromium. */
class ReportPdfIT {
  @Test
  void aPageIsPrintedByTheBrowserThatIsInstalled() throws IOException {
    Pdf printer = Pdf.find(Map.of("PATH", "/nowhere:/usr/bin"), null);
    byte[] print = printer.print("<!DOCTYPE html><title>t</title><h1>A page</h1>");
    String text = new String(print, StandardCharsets.ISO_8859_1);
    assertThat(text).startsWith("%PDF-").contains("/Type /Page");
    assertThat(text.stripTrailing()).endsWith("%%EOF");
  }

  @Test
  void aBrowserThatFailsIsNamed() {
    assertThatThrownBy(() -> new Pdf(Path.of("/bin/false")).print("<p>"))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("report.print-failed");
              assertThat(e).hasMessageContaining("/bin/false ended with 1");
            });
  }
}
