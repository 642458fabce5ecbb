package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProgramsTest {
  @Test
  void oneThatHangsWhileItHoldsItsOutputIsEnded() {
    assertThatThrownBy(() -> Programs.run(List.of("sleep", "86400"), 1))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("sleep did not end within PT1S");
  }

  @Test
  void whatOnePrintsIsSaid() throws IOException {
    assertThat(Programs.run(List.of("echo", "here"))).isEqualTo("here\n");
  }
}
