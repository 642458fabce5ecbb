package com.thorbis.backup.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EndpointsTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://kms.example.com",
        "HTTPS://10.0.0.1:8443/path",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.3.2.1:1",
        "http://[::1]:9000"
      })
  void tlsOrThisHost(String text) {
    assertThat(Endpoints.parse("aws-kms endpoint", text)).isEqualTo(URI.create(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://kms.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
        "ftp://localhost",
        "kms.example.com",
        "http:localhost",
        "https://",
        "not an address"
      })
  void everythingElseIsRefusedAndNamesItsKey(String text) {
    assertThatThrownBy(
            () -> Endpoints.find(Settings.of("recipient x", Map.of("endpoint", text)), "endpoint"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("recipient x.endpoint");
  }

  @Test
  void aPasswordInAnAddressIsNeitherTakenNorTold() {
    assertThatThrownBy(() -> Endpoints.parse("endpoint", "https://user:hunter2@example.com"))
        .isInstanceOf(BackupException.class)
        .hasMessageNotContaining("hunter2");
  }
}
