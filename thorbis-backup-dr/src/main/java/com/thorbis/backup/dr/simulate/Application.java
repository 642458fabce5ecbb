package com.thorbis.backup.dr.simulate;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.Reader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.Properties;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * The application of an environment: a process of its own that books what it is asked for over
 * HTTP. This class, the driver and a file of properties are all that it consists of; the password
 * is in its environment alone.
 */
final class Application {
  /** Where it finds its password. */
  static final String PASSWORD = "APPLICATION_PASSWORD";

  /** What the name of its properties is. */
  static final String PROPERTIES = "application.properties";

  private static final int THREADS = 8;
  private static final ThreadLocal<@Nullable Connection> SESSIONS = new ThreadLocal<>();

  private final String url;
  private final Properties login;

  private Application(String url, Properties login) {
    this.url = url;
    this.login = login;
  }

  /**
   * Serves until it is killed.
   *
   * @param arguments its port, and its folder
   */
  public static void main(String[] arguments) throws IOException {
    Properties settings = new Properties();
    try (Reader in = Files.newBufferedReader(Path.of(arguments[1], PROPERTIES))) {
      settings.load(in);
    }
    Properties login = new Properties();
    login.setProperty("user", settings.getProperty("user"));
    login.setProperty("password", System.getenv(PASSWORD));
    for (String each : new String[] {"connectTimeout", "loginTimeout", "socketTimeout"}) {
      login.setProperty(each, "2");
    }
    login.setProperty("sslmode", "disable");
    login.setProperty("prepareThreshold", "0");
    Application application = new Application(settings.getProperty("url"), login);
    HttpServer server =
        HttpServer.create(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[0])),
            0);
    server.createContext("/", application::answer);
    server.setExecutor(Executors.newFixedThreadPool(THREADS));
    server.start();
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      exchange.getRequestBody().readAllBytes();
      String path = exchange.getRequestURI().getPath();
      try {
        if (path.endsWith("/health")) {
          healthy();
        } else if (path.equals("/bookings") && exchange.getRequestMethod().equals("POST")) {
          String[] wanted = exchange.getRequestURI().getQuery().split("-", -1);
          book(Integer.parseInt(wanted[0]), Long.parseLong(wanted[1]));
        } else {
          say(exchange, 404, "");
          return;
        }
        say(exchange, 200, "");
      } catch (SQLException e) {
        forget();
        say(exchange, 500, e.getSQLState() + " " + e.getMessage());
      }
    }
  }

  private static void say(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    if (body.length > 0) {
      exchange.getResponseBody().write(body);
    }
  }

  private Connection session() throws SQLException {
    Connection session = SESSIONS.get();
    if (session == null) {
      session = DriverManager.getConnection(url, login);
      SESSIONS.set(session);
    }
    return session;
  }

  private void forget() {
    Connection session = SESSIONS.get();
    SESSIONS.remove();
    if (session != null) {
      try {
        session.close();
      } catch (SQLException e) {
        return; // it is gone either way
      }
    }
  }

  private void healthy() throws SQLException {
    try (Statement statement = session().createStatement()) {
      statement.execute("SELECT 1");
    }
  }

  private void book(int account, long number) throws SQLException {
    try (PreparedStatement booking = session().prepareStatement(Probe.BOOK)) {
      booking.setInt(1, account);
      booking.setInt(2, account);
      booking.setInt(3, account + 1);
      booking.setLong(4, number);
      booking.executeUpdate();
      SQLWarning warning = booking.getWarnings();
      if (warning != null) {
        throw warning; // such as that it is in one place only
      }
    }
  }
}
