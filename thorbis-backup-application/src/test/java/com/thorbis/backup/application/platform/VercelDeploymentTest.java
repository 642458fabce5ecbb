package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.application.app.Component;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is live is described, and its log is there or is missing by name. */
class VercelDeploymentTest {
  private static final String WORDS = "planted-line-Yc55";
  private static final String LINES =
      """
      [{"type":"command","created":1700000000000,"payload":{"text":"npm run build","date":1}},
       {"type":"stdout","created":1700000001000,"text":"%s\\n","serial":"2"},
       {"type":"deployment-state","created":1700000002000,"payload":{"readyState":"READY"}}]
      """
          .formatted(WORDS);

  private FakePlatform vercel;
  private volatile int status = 200;
  private volatile String log = LINES;

  @BeforeEach
  void start() throws IOException {
    vercel =
        new FakePlatform() {
          @Override
          Answer answer(Request request) {
            if (request.path().equals("/v9/projects/shop")) {
              return Answer.of(
                  200,
                  "{\"targets\":{\"production\":{\"id\":\"dpl_1\",\"readyState\":\"READY\"}}}");
            }
            boolean all =
                request.path().equals("/v3/deployments/dpl_1/events")
                    && request
                        .query()
                        .equals(
                            Map.of(
                                "teamId", "team_1",
                                "direction", "forward",
                                "follow", "0",
                                "limit", "-1"));
            return Answer.of(all ? status : 400, log);
          }
        };
  }

  @AfterEach
  void stop() {
    vercel.close();
  }

  private Component.Prepared prepare() throws IOException {
    Repository nobody =
        (Repository)
            Proxy.newProxyInstance(
                Repository.class.getClassLoader(),
                new Class<?>[] {Repository.class},
                (proxy, method, arguments) -> {
                  throw new IllegalStateException(method.getName());
                });
    try (VercelDeployment live =
        VercelDeployment.of(vercel.connect().attempts(1).build(), "shop", Optional.of("team_1"))) {
      return live.prepare(nobody, RunControl.unattended());
    }
  }

  @Test
  void theLogIsReadInBothForms() throws IOException {
    try (Component.Prepared prepared = prepare()) {
      assertThat(prepared.gaps()).isEmpty();
      assertThat(prepared.counts()).containsEntry("logLines", 2L);
    }
  }

  @Test
  void aLogThatCannotBeReadIsAGapAndTheRestIsThere() throws IOException {
    for (int refused : new int[] {403, 404, 500}) {
      status = refused;
      assertGap(refused == 403 ? "application.forbidden" : "application.");
    }
    status = 200;
    log = "{\"type\":\"stdout\",\"text\":\"" + WORDS + "\"}\n{}";
    assertGap("application.no-document");
    log = "[]";
    assertGap("application.no-log");
  }

  private void assertGap(String code) throws IOException {
    try (Component.Prepared prepared = prepare()) {
      Gap gap = prepared.gaps().get(0);
      assertThat(prepared.gaps()).hasSize(1);
      assertThat(gap.code()).startsWith(code);
      assertThat(gap.what()).isEqualTo("build-log.txt");
      assertThat(gap.toString()).contains("dpl_1").doesNotContain(WORDS);
      assertThat(prepared.counts()).containsEntry("deployments", 1L).containsEntry("logLines", 0L);
    }
  }
}
