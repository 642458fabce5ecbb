package com.thorbis.backup.dr.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ProgramTest {
  @Test
  void oneThatPrintsWithoutEndIsKilledWhenItsTimeIsOver() {
    assertThatThrownBy(() -> Program.run(List.of("yes"), Map.of(), Duration.ofMillis(300)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("yes did not end within");
  }

  @Test
  void whatItIsGivenAndWhatItPrintsPassThrough() throws Exception {
    byte[] given = "a line\n".getBytes(StandardCharsets.UTF_8);
    Program.Ended ended = Program.run(List.of("cat"), Map.of(), given, Duration.ofSeconds(10));
    assertThat(ended.output()).isEqualTo("a line\n");
    assertThat(ended.code()).isZero();
  }
}
